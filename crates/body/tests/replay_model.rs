//! `ReplayBody` against what a reader may expect of it, whatever others do meanwhile.

mod script;

use std::io;
use std::task::Poll;

use buttress_body::{NotReplayable, ReplayBody, Superseded};
use http_body::Body;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_test::task;

use script::{Script, Step, script, trailers};

#[derive(Clone, Debug)]
enum Act {
    Clone(usize),
    Poll(usize),
    Drop(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => any::<usize>().prop_map(Act::Clone),
        9 => any::<usize>().prop_map(Act::Poll),
        1 => any::<usize>().prop_map(Act::Drop),
    ]
}

fn source() -> impl Strategy<Value = Script> {
    let step = prop_oneof![
        3 => vec(any::<u8>(), 0..6).prop_map(Step::Data),
        1 => Just(Step::Pending),
    ];
    let last = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Step::Trailers)),
        1 => Just(Some(Step::Fail)),
    ];
    (vec(step, 0..6), last, any::<[bool; 2]>()).prop_map(|(steps, last, [exact, knows_end])| {
        let mut script = script(steps.into_iter().chain(last));
        script.exact = exact;
        script.knows_end = knows_end;
        script
    })
}

struct Reader {
    body: task::Spawn<ReplayBody<Script>>,
    /// Its age, as the order of creation.
    age: usize,
    read: Vec<u8>,
    trailers: bool,
    ended: bool,
}

/// What must come out, and what has happened so far.
struct Model {
    whole: Vec<u8>,
    cap: usize,
    /// What comes after the data, if anything.
    last: Option<Step>,
    exact: bool,
    /// The age of the newest reader that was polled.
    newest_polled: Option<usize>,
    /// Whether some reader was told of the failure.
    failed: bool,
}

impl Model {
    fn trailers(&self) -> bool {
        matches!(self.last, Some(Step::Trailers))
    }

    fn fails(&self) -> bool {
        matches!(self.last, Some(Step::Fail))
    }

    fn poll(&mut self, reader: &mut Reader) -> bool {
        self.newest_polled = self.newest_polled.max(Some(reader.age));
        if reader.body.is_end_stream() {
            assert!(reader.ended || reader.read == self.whole);
            assert!(reader.ended || reader.trailers == self.trailers() && !self.fails());
        }
        let hint = reader.body.size_hint();
        let left = (self.whole.len() - reader.read.len()) as u64;
        if !reader.ended && !self.fails() && self.whole.len() <= self.cap {
            assert!(hint.lower() <= left && hint.upper().is_none_or(|upper| left <= upper));
            assert!(!self.exact || hint.exact() == Some(left));
        }

        let Poll::Ready(frame) = reader.body.enter(|cx, body| body.poll_frame(cx)) else {
            assert!(!reader.ended);
            return false;
        };
        match frame {
            _ if reader.ended => assert!(frame.is_none(), "the end is the end"),
            None => {
                assert_eq!(reader.read, self.whole);
                assert_eq!(reader.trailers, self.trailers());
                assert!(!self.fails(), "a failure is not an end");
                reader.ended = true;
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    reader.read.extend(data);
                    assert!(self.whole.starts_with(&reader.read));
                }
                Err(frame) => {
                    assert_eq!(frame.into_trailers().unwrap(), trailers());
                    assert_eq!(reader.read, self.whole);
                    assert!(!reader.trailers, "trailers come once");
                    reader.trailers = true;
                }
            },
            Some(Err(error)) => {
                reader.ended = true;
                self.allow(&*error, reader);
            }
        }
        true
    }

    fn allow(&mut self, error: &(dyn std::error::Error + 'static), reader: &Reader) {
        if error.is::<Superseded>() {
            assert!(self.newest_polled > Some(reader.age));
        } else if let Some(why) = error.downcast_ref() {
            match why {
                NotReplayable::Failed => assert!(self.failed),
                NotReplayable::TooLarge => assert!(self.whole.len() > self.cap),
                other => panic!("{other}"),
            }
        } else {
            assert!(error.is::<io::Error>());
            assert!(self.fails());
            assert_eq!(reader.read, self.whole);
            self.failed = true;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_reader_gets_the_body_once_and_in_order_or_is_told_why_not(
        source in source(),
        cap in 0_usize..24,
        acts in vec(act(), 0..60),
    ) {
        let mut model = Model {
            whole: source.bytes(),
            cap,
            last: source.steps.back().cloned(),
            exact: source.exact,
            newest_polled: None,
            failed: false,
        };
        let reader = |body, age| Reader {
            body: task::spawn(body),
            age,
            read: Vec::new(),
            trailers: false,
            ended: false,
        };
        let mut made = 1;
        let mut readers = vec![reader(ReplayBody::new(source, cap), 0)];
        for act in acts {
            let count = readers.len();
            if count == 0 {
                break;
            }
            match act {
                Act::Poll(which) => {
                    model.poll(&mut readers[which % count]);
                }
                Act::Drop(which) => drop(readers.swap_remove(which % count)),
                Act::Clone(which) => match readers[which % count].body.try_clone() {
                    Ok(body) => {
                        readers.push(reader(body, made));
                        made += 1;
                    }
                    Err(NotReplayable::TooLarge) => prop_assert!(model.whole.len() > cap),
                    Err(why) => {
                        prop_assert_eq!(why, NotReplayable::Failed);
                        prop_assert!(model.fails());
                        model.failed = true;
                    }
                },
            }
        }

        // The newest that is being sent gets everything, whatever was kept or given up.
        if let Some(live) = readers.iter_mut().find(|reader| Some(reader.age) == model.newest_polled) {
            let told = live.ended;
            for _ in 0..100 {
                model.poll(live);
            }
            prop_assert!(live.ended);
            if !told && !model.fails() {
                prop_assert_eq!(&live.read, &model.whole);
            }
        }
        // Within the cap, so does one more attempt.
        if let Some(any) = readers.first() && model.whole.len() <= cap && !model.fails() {
            let mut again = reader(any.body.try_clone().unwrap(), made);
            for _ in 0..100 {
                model.poll(&mut again);
            }
            prop_assert_eq!(&again.read, &model.whole);
            prop_assert_eq!(again.trailers, model.trailers());
        }
    }
}
