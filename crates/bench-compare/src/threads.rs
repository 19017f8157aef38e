//! One circuit, called by two threads: does it cost what one thread's calls cost?

use std::fmt::Debug;
use std::sync::Barrier;
use std::thread;

use tower_layer::Layer;
use tower_service::Service;

use crate::breakers::{CloneEachCall, consecutive, window};
use crate::driver::{Req, bare, drive, elapsed, r0};
use crate::{failsafe, rivals};
use bench_compare::stats::Spread;
use bench_compare::table::{By, Row, Section, Verdict};

const ROUNDS: usize = 7;
const CALLS: usize = 100_000;
/// The share of the bare service's gain that a circuit must keep.
const GOAL: f64 = 0.9;

/// Calls a second, of so many threads that make so many calls each.
type Rate = Box<dyn Fn(usize, usize) -> f64>;

/// Who is called by two threads.
struct Contender {
    case: &'static str,
    against: &'static str,
    rate: Rate,
    is_judged: bool,
}

/// The rates of one contender, round by round.
#[derive(Debug, Default)]
struct Rates {
    one: Vec<f64>,
    two: Vec<f64>,
}

impl Rates {
    /// How many times as many calls two threads make.
    fn gains(&self) -> Vec<f64> {
        let rounds = self.two.iter().zip(&self.one);
        rounds.map(|(two, one)| two / one).collect()
    }
}

/// Measures all contenders.
pub(crate) fn section() -> Section {
    let contenders = contenders();
    let mut rates: Vec<Rates> = contenders.iter().map(|_| Rates::default()).collect();
    for round in 0..ROUNDS {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let rate = &contenders[index].rate;
            rates[index].one.push(rate(1, CALLS));
            rates[index].two.push(rate(2, CALLS));
        }
    }
    Section::new(
        "two threads, one circuit",
        "the ratio is the gain of a second thread, divided by the bare service's gain in the same \
               round; each thread has a clone of the service; `cloned` clones it again for each call",
        rows(&contenders, &rates),
    )
}

fn rows(contenders: &[Contender], rates: &[Rates]) -> Vec<Row> {
    let gains_of = |case: &str| {
        let at = contenders.iter().position(|known| known.case == case);
        at.map_or_else(Vec::new, |at| rates[at].gains())
    };
    let row = |(contender, rates): (&Contender, &Rates)| {
        let gains = rates.gains();
        let row = Row::new(contender.case, contender.against)
            .ratio(Spread::of_ratios(&gains, &gains_of(contender.against)))
            .figure("times one thread", Spread::of(gains).median)
            .figure("calls/s on one", middle(&rates.one))
            .figure("calls/s on two", middle(&rates.two));
        let goal = contender.is_judged.then(|| verdict(&row));
        row.goal(goal)
    };
    contenders.iter().zip(rates).map(row).collect()
}

fn middle(rates: &[f64]) -> f64 {
    Spread::of(rates.iter().copied()).median
}

fn verdict(row: &Row) -> Verdict {
    let ratio = row.ratio.map_or(f64::NAN, |ratio| ratio.median);
    Verdict {
        goal: format!("≥ {GOAL} of the bare gain"),
        measured: format!("{ratio:.2}"),
        met: ratio >= GOAL,
        by: By::HighRatio,
    }
}

fn contenders() -> Vec<Contender> {
    let bare_case = "two-threads/bare";
    let bare_cloned = "two-threads/bare-cloned";
    vec![
        contender(bare_case, bare_case, bare(), false),
        contender(bare_cloned, bare_cloned, CloneEachCall(bare()), false),
        contender(
            "two-threads/breaker-window",
            bare_case,
            window().layer(bare()),
            true,
        ),
        contender(
            "two-threads/breaker-window-cloned",
            bare_cloned,
            CloneEachCall(window().layer(bare())),
            true,
        ),
        contender(
            "two-threads/breaker-consecutive",
            bare_case,
            consecutive().layer(bare()),
            true,
        ),
        contender(
            "failsafe::breaker-consecutive",
            bare_case,
            failsafe::consecutive(bare()),
            false,
        ),
        contender(
            "failsafe::breaker-window",
            bare_case,
            failsafe::window(bare()),
            false,
        ),
        contender(
            "tower-resilience::breaker-window",
            bare_case,
            rivals::count().layer(bare()),
            false,
        ),
    ]
}

fn contender<S>(case: &'static str, against: &'static str, service: S, is_judged: bool) -> Contender
where
    S: Service<Req, Error: Debug> + Clone + Send + 'static,
{
    Contender {
        case,
        against,
        rate: Box::new(move |threads, calls| rate(&service, threads, calls)),
        is_judged,
    }
}

fn rate<S>(service: &S, threads: usize, calls: usize) -> f64
where
    S: Service<Req, Error: Debug> + Clone + Send,
{
    let start = Barrier::new(threads);
    let work = |service: S| {
        drive(service.clone(), r0, calls / 100);
        start.wait();
        drive(service, r0, calls);
        elapsed().as_secs_f64()
    };
    let slowest = thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let service = service.clone();
                scope.spawn(move || work(service))
            })
            .collect();
        let times = workers
            .into_iter()
            .map(|worker| worker.join().expect("calls succeed"));
        times.fold(0.0, f64::max)
    });
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let all = (threads * calls) as f64;
    all / slowest
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_judged_against_the_bare_gain_of_the_same_round() {
        let contender = |case, is_judged| Contender {
            case,
            against: "bare",
            rate: Box::new(|_, _| 0.0),
            is_judged,
        };
        let rates = |one: [f64; 3], two: [f64; 3]| Rates {
            one: one.to_vec(),
            two: two.to_vec(),
        };
        let contenders = [
            contender("bare", false),
            contender("ours", true),
            contender("bad", true),
        ];
        let rates = [
            rates([10.0; 3], [20.0, 10.0, 20.0]),
            rates([5.0; 3], [9.5, 4.75, 1.0]),
            rates([5.0; 3], [8.5, 4.25, 8.5]),
        ];
        let rows = rows(&contenders, &rates);

        assert_eq!(rows[0].ratio.unwrap().median, 1.0);
        assert!(rows[0].goal.is_none());
        assert!((rows[1].ratio.unwrap().median - 0.95).abs() < 1e-9);
        assert!(rows[1].goal.as_ref().unwrap().met);
        assert!(!rows[2].goal.as_ref().unwrap().met);
    }

    #[test]
    fn all_contenders_run_on_two_threads() {
        for contender in contenders() {
            assert!((contender.rate)(2, 100) > 0.0, "{}", contender.case);
        }
    }
}
