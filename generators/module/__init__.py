"""What everything is written into: the module's shell, and one function under construction."""
