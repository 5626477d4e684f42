"""From a config page to plain options: the last room that knows ConfigDict."""
