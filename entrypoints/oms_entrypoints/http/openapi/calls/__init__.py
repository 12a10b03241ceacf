"""What each call of the API is, one file a part of it."""
