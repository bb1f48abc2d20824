//! The runtime puts off a task that did much without a pause, and wakes it again at once. What such a task then waits
//! for still has to wake it: nothing may count as watched that the runtime was not asked to watch.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use ayad::stream::Stream;
use ayad::wire::Wire;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::coop::{consume_budget, has_budget_remaining};

/// A test that hangs is a test that fails.
const LIMIT: Duration = Duration::from_secs(20);

/// Does so much that the runtime puts this task off.
fn work(cx: &mut Context<'_>) {
    while has_budget_remaining() {
        assert!(pin!(consume_budget()).poll(cx).is_ready(), "it was asked while some was left");
    }
}

#[test]
fn a_connection_that_is_looked_at_by_a_busy_task_wakes_it_later() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built");
    let test = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let mut far = TcpStream::connect(address).await.expect("it is accepted");
        let mut wire = Wire::new(Stream::from(listener.accept().await.expect("somebody connects").0));
        far.write_all(b"early").await.expect("it is open");
        let (looked, mut on_look) = tokio::sync::mpsc::channel(1);
        let reading = tokio::spawn(async move {
            assert_eq!(poll_fn(|cx| wire.poll_fill(cx)).await.expect("it can be read"), 5);
            let mut looks = 0;
            poll_fn(|cx| {
                if looks == 0 {
                    work(cx);
                }
                looks += 1;
                let polled = wire.poll_fill(cx);
                if looks == 2 {
                    assert!(polled.is_pending(), "nothing more was sent yet");
                    looked.try_send(()).expect("somebody waits");
                }
                polled
            })
            .await
        });
        on_look.recv().await.expect("the task looks once more when it was put off");
        far.write_all(b"late").await.expect("it is open");
        assert_eq!(reading.await.expect("it ends well").expect("it can be read"), 4);
    };
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("ends in time") });
}
