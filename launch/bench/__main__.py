"""``python -m launch.bench``."""

from launch.bench.door import main

if __name__ == "__main__":
    main()
