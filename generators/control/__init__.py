"""Control flow: labels with values, graphs, guards and throwers, pressure, calls of extreme signatures."""
