"""Tables that people typed or exported: read where their meaning is certain, and refused otherwise."""
