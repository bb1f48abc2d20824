//! End to end: the real binaries between scripted backends and a client that sends exact bytes; and laws over
//! the workspace itself. One binary, because linking many costs more than running them.

mod alloc;
mod auto;
mod balancing;
mod chaos;
mod chaos_control;
mod churn;
mod cli;
mod context;
mod control;
mod delta;
mod descriptors;
mod discovery;
mod docs;
mod drain;
mod experiments;
mod explain;
mod floors;
mod guard;
mod health;
mod http2;
mod parts;
mod proxy;
mod reload;
mod rough;
mod routing;
mod shutdown;
mod signals;
mod source;
mod startup;
mod strict;
mod tcp;
mod tls;
mod top;
mod upgrade;
mod wire;
