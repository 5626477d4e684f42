"""Pages of the study, and the list of its cells (:mod:`configs.study.cells`): docs/study.md."""
