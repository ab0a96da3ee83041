"""A grid of models: each trained, exported, judged and timed, and the choice among them."""
