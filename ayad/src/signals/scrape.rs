//! Looks at a page of Prometheus metrics.

use aya_core::exposition::{Gather, read};
use aya_core::report::Subject;
use aya_core::rng::Rng;
use aya_core::signal::Signal;

use super::{About, fetch, first_wait, is_asked, next_wait, told};
use crate::clock;
use crate::config::signals::{Scrape, Source};

pub(super) async fn keep_looking(about: About, scrape: Scrape, mut rng: Rng) {
    first_wait(scrape.interval, &mut rng).await;
    loop {
        if is_asked(&about.backend) {
            let look = tokio::time::timeout(scrape.timeout, look(&about, &scrape)).await;
            let outcome = look.unwrap_or_else(|_| Err(format!("no page within {:?}", scrape.timeout)));
            told(&about.state, &about.backend, Source::Scrape, outcome);
        }
        next_wait(scrape.interval, &mut rng).await;
    }
}

async fn look(about: &About, scrape: &Scrape) -> Result<(), String> {
    let (_, page) = fetch::get(about, &scrape.path, scrape.port).await?;
    let page = std::str::from_utf8(&page).map_err(|_| "the page is no text".to_owned())?;
    let mut wanted: Vec<_> = scrape.metrics.iter().map(|metric| Gather::new(&metric.selector)).collect();
    let samples = read(page, &mut wanted)
        .map_err(|line| format!("line {line} is no metric: is this the right path?"))?;
    if samples == 0 {
        return Err("the page has no metrics".to_owned());
    }
    let now = clock::now();
    let mut heard: Vec<Signal> = Vec::new();
    let mut wrong = None;
    for (metric, gather) in scrape.metrics.iter().zip(&wanted) {
        let Some(value) = gather.value(metric.over).filter(|_| !heard.contains(&metric.signal)) else {
            continue;
        };
        heard.push(metric.signal);
        let told = (Subject::Signal(metric.signal), Ok(value * metric.scale));
        if let Some(why) = about.backend.hear(Source::Scrape, told, now) {
            wrong.get_or_insert(format!("{} is not believed: {why}", metric.selector.name()));
        }
    }
    let missing = scrape.metrics.iter().find(|metric| !heard.contains(&metric.signal));
    match (wrong, missing) {
        (Some(wrong), _) => Err(wrong),
        (None, Some(metric)) => Err(format!("the page has no {}", metric.selector.name())),
        (None, None) => Ok(()),
    }
}
