"""Known faults put into the project on purpose, and how soon each is found."""
