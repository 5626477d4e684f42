"""``python -m launch.gpu_day``."""

from launch.gpu_day.door import main

if __name__ == "__main__":
    main()
