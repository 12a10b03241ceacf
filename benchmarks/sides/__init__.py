"""What ours is compared with, and programs that are measured in a process of their own."""
