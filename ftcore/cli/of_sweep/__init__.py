"""What commands about runs do where they are about a sweep."""
