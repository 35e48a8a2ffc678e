"""Models for production: exports of what was trained, and answers from them."""
