"""What is known now, and what survives the process."""
