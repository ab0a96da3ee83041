"""`python -m squeezebert_mobile` is the command `squeezebert-mobile`."""

from squeezebert_mobile.cli import main

main()
