"""What lies where: label means, tissues and atlas regions of scanned people, drawn lesions."""
