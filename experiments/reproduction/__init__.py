"""The studies behind `reproduce_paper.py`: what each trains, shows and claims."""
