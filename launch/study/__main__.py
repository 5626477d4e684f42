"""``python -m launch.study``."""

from launch.study.door import main

if __name__ == "__main__":
    main()
