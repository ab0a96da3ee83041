"""WordPiece tokenization as transformers does it, and its files."""
