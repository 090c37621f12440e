"""How the project draws its own people: flat shapes, soft shade, seven expressions."""
