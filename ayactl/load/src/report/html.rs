//! The report as one page that needs nothing else to be read.

use super::{Latency, MEANINGS, Report, Word, number, percent, time};
use crate::compare::{Figure, HEADS, Ruling};
use crate::html::plot::{Bars, HeatMap, Mark, PercentileCurve, Scale, Series, Span, TimePlot};
use crate::html::{Card, Cell, Page, Tone};

/// Upper edges of the rows of the heat map, in milliseconds.
const EDGES: [f64; 14] =
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0];
/// Shares at which percentile curves stand.
const SHARES: [f64; 16] =
    [0.0, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999, 0.99999];

impl Report {
    /// The page.
    pub fn html(&self) -> String {
        let mut page = Page::new(&format!("Load test of {}", self.asked.url));
        let tone = match self.verdict.word {
            Word::Valid => Tone::Good,
            Word::TargetBound => Tone::Warn,
            Word::GeneratorBound => Tone::Bad,
        };
        let mut reasons = self.verdict.reasons.clone();
        reasons.extend(self.ended_early.iter().map(|why| format!("Ended early: {why}.")));
        page.verdict(tone, &self.verdict_line(), &reasons);
        page.cards(&self.cards());
        self.objectives(&mut page);
        if let Some(peak) = &self.peak {
            page.text(&format!("{peak}."));
        }
        self.compared(&mut page);
        self.over_time(&mut page);
        self.latencies_below(&mut page);
        self.answers_below(&mut page);
        self.backends_below(&mut page);
        self.events_below(&mut page);
        self.how(&mut page);
        let data = self.json();
        page.finish(Some(("loadtest.json", data.trim_end())))
    }

    fn cards(&self) -> Vec<Card> {
        let card = |name: &str, value: String, note: String| Card { name: name.to_owned(), value, note };
        let mut cards = Vec::new();
        if let Some(offered) = self.offered {
            cards.push(card(
                "offered",
                format!("{}/s", number(self.rate(offered))),
                format!("{offered} requests"),
            ));
        }
        cards.push(card(
            "achieved",
            format!("{}/s", number(self.rate(self.achieved))),
            format!("{} answers", self.achieved),
        ));
        cards.push(card("response p50", time(self.response.p50_ms), "half were faster".into()));
        cards.push(card("response p99", time(self.response.p99_ms), "one in a hundred was slower".into()));
        cards.push(card(
            "response p99.9",
            time(self.response.p999_ms),
            "one in a thousand was slower".into(),
        ));
        if let Some(lag) = &self.lag {
            cards.push(card("send lag p99", time(lag.p99_ms), "sent after the planned moment".into()));
        }
        let failed = self.error_share().map_or_else(|| "–".to_owned(), percent);
        cards.push(card("failed", failed, format!("{} requests", self.failed)));
        cards
    }

    fn objectives(&self, page: &mut Page) {
        if self.gates.is_empty() {
            return;
        }
        page.section("Objectives");
        let rows: Vec<Vec<Cell>> = self
            .gates
            .iter()
            .map(|gate| {
                let (word, tone) = match gate.holds {
                    Some(true) => ("holds", Tone::Good),
                    Some(false) => ("fails", Tone::Bad),
                    None => ("no data", Tone::Warn),
                };
                vec![
                    Cell::toned(gate.condition.clone(), Tone::Plain),
                    Cell::toned(word, tone),
                    Cell::toned(gate.value.clone(), Tone::Plain),
                ]
            })
            .collect();
        page.table("What was asked for, and what came of it", &["objective", "result", "value"], &rows);
    }

    fn compared(&self, page: &mut Page) {
        let Some(comparison) = &self.comparison else { return };
        page.section("Compared with a run before");
        page.text(&format!("{}.", comparison.line()));
        for concern in &comparison.concerns {
            page.text(&format!("Warning: {}.", concern.what));
        }
        let row = |figure: &Figure| {
            let mut cells: Vec<Cell> = figure.cells().map(Cell::from).into();
            if let Some(last) = cells.pop() {
                cells.push(last.colored(figure.finding.tone()));
            }
            cells
        };
        let caption = format!("{} before, {} after", comparison.before.name, comparison.after.name);
        page.table(&caption, &HEADS, &comparison.figures.iter().map(row).collect::<Vec<_>>());
        if !comparison.limits.is_empty() {
            let row = |ruling: &Ruling| {
                let word = Cell::toned(ruling.word(), ruling.standing.tone());
                vec![ruling.limit.as_str().into(), word, ruling.why.as_str().into()]
            };
            let rows: Vec<Vec<Cell>> = comparison.limits.iter().map(row).collect();
            page.table("How much worse it may be", &["limit", "result", "why"], &rows);
        }
        for sentence in comparison.ranks.iter().map(|ranks| ranks.sentence(comparison.step_s)) {
            page.text(&format!("{sentence}."));
        }
        page.text(&format!("{}.", comparison.method()));
    }

    fn times(&self) -> Vec<f64> {
        (0..self.whole_steps().len()).map(|at| at as f64 * self.step_s).collect()
    }

    fn plot_marks(&self) -> (Vec<Mark>, Vec<Span>) {
        let label = |mark: &super::Mark| format!("{}: {}", mark.kind, mark.what);
        let spans = self
            .marks
            .iter()
            .filter_map(|mark| Some(Span { from: mark.at_s, to: mark.until_s?, label: label(mark) }));
        let marks = self.marks.iter().filter(|mark| mark.until_s.is_none());
        (marks.map(|mark| Mark { at: mark.at_s, label: label(mark) }).collect(), spans.collect())
    }

    fn over_time(&self, page: &mut Page) {
        if self.whole_steps().len() < 2 {
            return;
        }
        page.section("Over time");
        let (marks, spans) = self.plot_marks();
        let series = |name: &str, of: &dyn Fn(&super::Step) -> Option<f64>| Series {
            name: name.to_owned(),
            values: self.whole_steps().iter().map(of).collect(),
        };
        let rate = |count: u64| Some(count as f64 / self.step_s);
        let mut rates = Vec::new();
        if self.offered.is_some() {
            rates.push(series("offered", &|step| step.offered.and_then(rate)));
        }
        rates.push(series("achieved", &|step| rate(step.achieved)));
        rates.push(series("failed", &|step| rate(step.failed)));
        let plot = |title: &str, unit: &str, scale: Scale, series: Vec<Series>| TimePlot {
            title: title.to_owned(),
            unit: unit.to_owned(),
            scale,
            times: self.times(),
            series,
            marks: marks.clone(),
            spans: spans.clone(),
        };
        page.figure(&plot("Requests a second", "/s", Scale::Linear, rates).draw());
        let mut times: Vec<Series> = [50.0, 90.0, 99.0, 99.9]
            .iter()
            .map(|p| series(&format!("p{p}"), &|step| step.response.percentile_ms(*p)))
            .collect();
        if self.lag.is_some() {
            times.push(series("send lag p99", &|step| step.lag_p99_ms));
        }
        page.figure(&plot("Response time", "ms", Scale::Log, times).draw());
        page.figure(&self.heat(&marks, &spans));
    }

    fn heat(&self, marks: &[Mark], spans: &[Span]) -> crate::html::plot::Figure {
        let mut rows: Vec<String> = EDGES.iter().map(|edge| format!("≤ {}", time(Some(*edge)))).collect();
        rows.push("more".to_owned());
        let cells = self.whole_steps().iter().map(|step| {
            let mut column = vec![0; rows.len()];
            for (ns, count) in step.response.pairs() {
                let ms = *ns as f64 / 1e6;
                column[EDGES.iter().position(|edge| ms <= *edge).unwrap_or(EDGES.len())] += count;
            }
            column
        });
        let cells = cells.collect();
        let title = "How many requests took how long".to_owned();
        HeatMap { title, times: self.times(), rows, cells, marks: marks.to_vec(), spans: spans.to_vec() }
            .draw()
    }

    fn latencies_below(&self, page: &mut Page) {
        page.section("Latencies");
        let heads: Vec<&str> = std::iter::once("latency")
            .chain(std::iter::once("requests"))
            .chain(self.response.columns().iter().map(|(name, _)| *name))
            .collect();
        let row = |(name, latency): (String, Latency)| {
            let mut cells =
                vec![Cell::toned(name, Tone::Plain), Cell::toned(latency.count.to_string(), Tone::Plain)];
            cells.extend(latency.columns().iter().map(|(_, value)| Cell::toned(time(*value), Tone::Plain)));
            cells
        };
        let rows: Vec<Vec<Cell>> = self.latencies().into_iter().map(row).collect();
        page.table("Percentiles", &heads, &rows);
        let shares: Vec<f64> = SHARES
            .iter()
            .copied()
            .filter(|share| self.response.count as f64 * (1.0 - share) >= 1.0 || *share < 0.99)
            .collect();
        let curve = |name: &str, latency: &Latency| Series {
            name: name.to_owned(),
            values: shares.iter().map(|share| latency.hist.percentile_ms(share * 100.0)).collect(),
        };
        let mut series = vec![curve("response time", &self.response), curve("service time", &self.service)];
        series.extend(self.lag.as_ref().map(|lag| curve("send lag", lag)));
        page.figure(
            &PercentileCurve { title: "Latency by share of requests".to_owned(), shares, series }.draw(),
        );
    }

    fn answers_below(&self, page: &mut Page) {
        page.section("Answers");
        let mut rows: Vec<Vec<Cell>> = self
            .statuses
            .iter()
            .map(|status| {
                let tone = if status.status >= 500 { Tone::Bad } else { Tone::Plain };
                vec![
                    Cell::toned(status.status.to_string(), tone),
                    Cell::toned(status.response.count.to_string(), Tone::Plain),
                    Cell::toned(time(status.response.p50_ms), Tone::Plain),
                    Cell::toned(time(status.response.p99_ms), Tone::Plain),
                ]
            })
            .collect();
        rows.extend(self.failures.iter().map(|failure| {
            vec![
                Cell::toned(failure.kind.clone(), Tone::Bad),
                Cell::toned(failure.count.to_string(), Tone::Plain),
                Cell::toned("–", Tone::Plain),
                Cell::toned(failure.first.clone(), Tone::Plain),
            ]
        }));
        page.table("By status, and what had no answer", &["status", "count", "p50", "p99"], &rows);
    }

    fn backends_below(&self, page: &mut Page) {
        if self.backends.is_empty() {
            return;
        }
        page.section("Where the time went");
        let names = self.backends.iter().map(|one| one.name.clone()).collect();
        let part = |name: &str, of: fn(&super::Backend) -> f64| Series {
            name: name.to_owned(),
            values: self.backends.iter().map(|one| Some(of(one))).collect(),
        };
        let parts = vec![
            part("send lag", |one| one.lag_ms),
            part("proxy queue", |one| one.queue_ms),
            part("retries", |one| one.retries_ms),
            part("backend", |one| one.backend_ms),
            part("network and the rest", |one| one.rest_ms),
        ];
        page.figure(
            &Bars { title: "Mean response time by backend".to_owned(), unit: "ms".to_owned(), names, parts }
                .draw(),
        );
        let rows: Vec<Vec<Cell>> = self
            .backends
            .iter()
            .map(|one| {
                let cell = |text: String| Cell::toned(text, Tone::Plain);
                vec![
                    cell(one.name.clone()),
                    cell(one.count.to_string()),
                    cell(one.failed.to_string()),
                    cell(time(Some(one.queue_ms))),
                    cell(time(Some(one.retries_ms))),
                    cell(time(Some(one.backend_ms))),
                    cell(time(one.p99_ms)),
                ]
            })
            .collect();
        let heads = ["backend", "answers", "failed", "queue", "retries", "backend's own", "p99"];
        page.table("Means, as the proxy told them", &heads, &rows);
    }

    fn events_below(&self, page: &mut Page) {
        if self.marks.is_empty() {
            return;
        }
        page.section("Meanwhile at the proxy");
        let cell = |text: String| Cell::toned(text, Tone::Plain);
        let row = |mark: &super::Mark| {
            let until = mark.until_s.map_or_else(String::new, |until| format!("{until:.1} s"));
            vec![
                cell(format!("{:.1} s", mark.at_s)),
                cell(until),
                cell(mark.kind.clone()),
                cell(mark.what.clone()),
            ]
        };
        let rows: Vec<Vec<Cell>> = self.marks.iter().map(row).collect();
        page.table("Events of the daemon during the test", &["at", "until", "kind", "what"], &rows);
    }

    fn how(&self, page: &mut Page) {
        page.section("How to read this");
        page.terms(&MEANINGS);
        for added in &self.overhead {
            let [low, high] = added.interval_ms.map(|ms| time(Some(ms)));
            let by = time(Some(added.added_ms));
            page.text(&format!(
                "The proxy adds {by} at p{} (95 % interval {low} to {high}).",
                added.percentile
            ));
        }
        if let Some(caution) = self.several_backends() {
            page.text(&format!("Caution: {caution}."));
        }
        if let Some(input) = &self.asked.input {
            page.text(&format!("Requests of {}.", input.in_words()));
        }
        page.text("The same test again:");
        page.code(&self.asked.command);
    }
}
