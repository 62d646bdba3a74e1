"""What alertscale is compared with, as small programs of their own."""
