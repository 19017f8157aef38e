//! What makes a run a good one.

use super::*;

fn run(orders: usize, faults: Faults) -> Run {
    Run {
        orders: u32::try_from(orders).unwrap(),
        concurrency: 1,
        faults,
        seed: 7,
        started: Instant::now(),
        wall: Duration::from_secs(2),
        outage: None,
    }
}

fn receipt(number: u32, is_paid: bool) -> Receipt {
    Receipt {
        order: Order::number(number),
        payment_id: is_paid.then(|| format!("pi_{number}")),
        latency: Duration::from_millis(number.into()),
    }
}

fn charge(order: &Order) -> Charge {
    Charge {
        payment_id: "pi".into(),
        order_id: order.id.clone(),
        amount: order.amount,
        currency: CURRENCY.into(),
    }
}

fn audit(receipts: &[Receipt], charges: Vec<Charge>) -> Report {
    let book = Book {
        charges,
        ..Book::default()
    };
    Report::audit(
        &run(receipts.len(), Faults::Off),
        receipts,
        Seen::default(),
        &Status::default(),
        &book,
    )
}

#[test]
fn an_order_that_is_charged_once_and_known_as_paid_is_exact() {
    let report = audit(&[receipt(1, true)], vec![charge(&Order::number(1))]);
    assert!(report.is_exact());
    assert_eq!(report.exit_code(), 0);
}

#[test]
fn a_second_charge_of_an_order_is_a_duplicate() {
    let twice = vec![charge(&Order::number(1)), charge(&Order::number(1))];
    let report = audit(&[receipt(1, true)], twice);
    assert_eq!((report.charges, report.duplicates, report.lost), (2, 1, 0));
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn a_charge_of_another_amount_is_none_of_the_orders() {
    let other = Charge {
        amount: 1,
        ..charge(&Order::number(1))
    };
    let report = audit(&[receipt(1, true)], vec![other]);
    assert_eq!((report.duplicates, report.lost), (1, 1));
}

#[test]
fn a_charge_that_the_shop_does_not_know_is_lost_and_so_is_a_payment_without_a_charge() {
    let unknown = audit(&[receipt(1, false)], vec![charge(&Order::number(1))]);
    assert_eq!(
        (unknown.duplicates, unknown.lost, unknown.exit_code()),
        (0, 1, 1)
    );
    let invented = audit(&[receipt(1, true)], Vec::new());
    assert_eq!(
        (invented.duplicates, invented.lost, invented.exit_code()),
        (0, 1, 1)
    );
}

#[test]
fn an_order_that_is_neither_paid_nor_charged_fails_the_run_without_being_lost() {
    let report = audit(&[receipt(1, false)], Vec::new());
    assert_eq!(
        (report.duplicates, report.lost, report.exit_code()),
        (0, 0, 1)
    );
}

#[test]
fn an_answer_that_is_wrong_or_forgotten_fails_the_run() {
    let paid = audit(&[receipt(1, true)], vec![charge(&Order::number(1))]);
    let exit_code = |change: fn(&mut Seen)| {
        let mut report = paid.clone();
        change(&mut report.seen);
        report.exit_code()
    };
    assert_eq!(exit_code(|seen| seen.replays = 1), 0);
    assert_eq!(exit_code(|seen| seen.wrong = 1), 1);
    assert_eq!(exit_code(|seen| seen.forgotten = 1), 1);
}

#[test]
fn a_severe_run_of_two_hundred_orders_must_meet_every_fault_three_times() {
    let book = |times| Book {
        charges: (1..=200)
            .map(|number| charge(&Order::number(number)))
            .collect(),
        faults: [("hang".to_owned(), times), ("503".to_owned(), 3)].into(),
        requests: 0,
        webhooks: Posted::default(),
    };
    let receipts: Vec<_> = (1..=200).map(|number| receipt(number, true)).collect();
    let audit = |faults, receipts: &[Receipt], times| {
        let run = run(receipts.len(), faults);
        Report::audit(
            &run,
            receipts,
            Seen::default(),
            &Status::default(),
            &book(times),
        )
        .is_covered()
    };
    assert!(audit(Faults::Severe, &receipts, 3));
    assert!(!audit(Faults::Severe, &receipts, 2));
    assert!(audit(Faults::Severe, &receipts[1..], 2));
    assert!(audit(Faults::Mild, &receipts, 2));
}

#[test]
fn latencies_are_by_nearest_rank() {
    let receipts: Vec<_> = (1..=200).map(|number| receipt(number, true)).collect();
    let report = audit(&receipts, Vec::new());
    assert_eq!(report.latency(50), Duration::from_millis(100));
    assert_eq!(report.latency(99), Duration::from_millis(198));
    assert_eq!(report.latency(100), Duration::from_millis(200));
    assert_eq!(audit(&[], Vec::new()).latency(50), Duration::ZERO);
}
