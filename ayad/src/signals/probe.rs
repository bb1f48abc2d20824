//! Asks a backend for its load, where several proxies share the backends and none sees all of its requests.

use aya_core::report::{Form, read};
use aya_core::rng::Rng;

use super::{About, fetch, first_wait, is_asked, next_wait, told};
use crate::clock;
use crate::config::signals::{LoadProbe, Source};

pub(super) async fn keep_asking(about: About, probe: LoadProbe, mut rng: Rng) {
    first_wait(probe.interval, &mut rng).await;
    loop {
        if is_asked(&about.backend) {
            let asked = tokio::time::timeout(probe.timeout, ask(&about, &probe)).await;
            let outcome = asked.unwrap_or_else(|_| Err(format!("no answer within {:?}", probe.timeout)));
            told(&about.state, &about.backend, Source::Probe, outcome);
        }
        next_wait(probe.interval, &mut rng).await;
    }
}

async fn ask(about: &About, probe: &LoadProbe) -> Result<(), String> {
    let (head, _) = fetch::get(about, &probe.path, probe.port).await?;
    let now = clock::now();
    let names =
        about.state.snapshot.load().pool(&about.backend.pool).map(|pool| pool.conf.signals.names.clone());
    let names = names.unwrap_or_default();
    let (mut wrong, mut is_found) = (None, false);
    for form in [Form::Aya, Form::Orca, Form::OrcaBinary] {
        for value in head.headers.get_all(form.field()) {
            is_found = true;
            let ended = read(form, value.as_bytes(), &names, &mut |number| {
                if let Some(why) = about.backend.hear(Source::Probe, number, now) {
                    wrong.get_or_insert(format!("{}: {why}", form.field()));
                }
            });
            if let Err(flaw) = ended {
                wrong.get_or_insert(format!("{} {}", form.field(), flaw.as_str()));
            }
        }
    }
    match (wrong, is_found) {
        (Some(wrong), _) => Err(wrong),
        (None, true) => Ok(()),
        (None, false) => Err(format!("{} answers without x-aya-load", probe.path)),
    }
}
