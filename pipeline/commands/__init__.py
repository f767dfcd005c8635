"""What the command line's commands do. Each module adds flags quickly and imports models only when run."""
