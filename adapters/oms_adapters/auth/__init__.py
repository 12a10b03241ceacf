"""Who is calling: JSON Web Tokens, static tokens for machines, and one after the other."""
