//! End to end: the real binaries between scripted backends and a client that sends exact bytes; and laws over
//! the workspace itself. One binary, because linking many costs more than running them.

mod proxy;
