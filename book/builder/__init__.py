"""The book, built: python -m book.builder."""
