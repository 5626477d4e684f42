"""One page per experiment. Pages import only ml_collections and each other."""
