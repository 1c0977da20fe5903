"""Other projects' generators, one file each (``generators.peer`` says what a file holds); the folder is their list."""
