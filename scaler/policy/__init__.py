"""What is decided: values in, values out; one question a file."""
