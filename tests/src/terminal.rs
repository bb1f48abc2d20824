//! A program in a pseudo-terminal.
