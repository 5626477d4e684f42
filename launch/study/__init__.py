"""Trains the cells of the study one by one, measures each, and writes the page of them all."""
