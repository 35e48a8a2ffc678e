"""What a report is made of, and how that is written as HTML and as Markdown."""
