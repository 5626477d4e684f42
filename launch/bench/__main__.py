"""``python -m launch.bench``."""

from launch.bench.door import main

main()
