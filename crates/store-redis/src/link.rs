use std::sync::atomic::{AtomicUsize, Ordering};

use redis::{Cmd, Pipeline, Value};

use crate::cluster::Cluster;
use crate::confirmation::Confirmation;
use crate::failure::Failure;
use crate::script::{Arg, Script};
use crate::single::{Single, two};

/// The way to the records: one connection or several, to one server or to a cluster.
pub(crate) struct Link {
    lanes: Lanes,
    next: AtomicUsize,
    confirmation: Confirmation,
}

pub(crate) enum Lanes {
    Cluster(Vec<Cluster>),
    Single(Vec<Single>),
}

/// What was answered, and whether as many confirmed it as were asked to.
pub(crate) struct Confirmed<T> {
    pub(crate) answer: T,
    pub(crate) confirmed: bool,
}

impl Link {
    pub(crate) const fn new(lanes: Lanes, confirmation: Confirmation) -> Self {
        Self {
            lanes,
            next: AtomicUsize::new(0),
            confirmation,
        }
    }

    pub(crate) const fn confirmation(&self) -> Confirmation {
        self.confirmation
    }

    pub(crate) fn confirms(&self) -> bool {
        self.confirmation != Confirmation::Primary
    }

    /// Runs a script, by its hash if the server knows it.
    pub(crate) async fn run(
        &self,
        script: &Script,
        key: &[u8],
        args: &[Arg<'_>],
    ) -> Result<Value, Failure> {
        let (answer, _) = self.execute(script, key, args, None).await?;
        Ok(answer)
    }

    /// The same for one that changes something: waits for the confirmation behind it.
    pub(crate) async fn change(
        &self,
        script: &Script,
        key: &[u8],
        args: &[Arg<'_>],
    ) -> Result<Confirmed<Value>, Failure> {
        let wait = self.confirmation.command();
        let (answer, waited) = self.execute(script, key, args, wait.as_ref()).await?;
        Ok(self.confirmed(answer, waited))
    }

    /// Sends a command that changes something and one that reads, and waits for the confirmation behind
    /// them.
    pub(crate) async fn change_and_read(
        &self,
        key: &[u8],
        change: Cmd,
        read: Cmd,
    ) -> Result<Confirmed<(Value, Value)>, Failure> {
        let mut pipeline = Pipeline::with_capacity(3);
        pipeline.add_command(change).add_command(read);
        if let Some(wait) = self.confirmation.command() {
            pipeline.add_command(wait);
        }
        let mut answers = self.all(self.lane(), key, pipeline).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let answer = (next(), next());
        Ok(self.confirmed(answer, answers.next()))
    }

    fn confirmed<T>(&self, answer: T, waited: Option<Value>) -> Confirmed<T> {
        // A confirmation that failed (of a server that was just demoted) is none.
        let waited = waited.and_then(|waited| waited.extract_error().ok());
        let met = |waited| self.confirmation.is_met_by(waited);
        Confirmed {
            answer,
            confirmed: !self.confirms() || waited.is_some_and(met),
        }
    }

    async fn execute(
        &self,
        script: &Script,
        key: &[u8],
        args: &[Arg<'_>],
        wait: Option<&Cmd>,
    ) -> Result<(Value, Option<Value>), Failure> {
        let lane = self.lane();
        let by_hash = script.by_hash(key, args);
        let mut answers = self.send(lane, key, by_hash, wait).await;
        if answers.as_ref().is_err_and(Failure::is_no_script) {
            answers = self.send(lane, key, script.whole(key, args), wait).await;
        }
        match answers {
            Err(failure) => match (failure.moving_to(), &self.lanes) {
                (Some(node), Lanes::Cluster(lanes)) => {
                    let whole = script.whole(key, args);
                    pick(lanes, lane)?.asking(node, whole, wait).await
                }
                _ => Err(failure),
            },
            answers => answers,
        }
    }

    async fn send(
        &self,
        lane: usize,
        key: &[u8],
        script: Cmd,
        wait: Option<&Cmd>,
    ) -> Result<(Value, Option<Value>), Failure> {
        let Some(wait) = wait else {
            return Ok((self.command(lane, key, script).await?, None));
        };
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(script).add_command(wait.clone());
        self.all(lane, key, pipeline).await.map(two)
    }

    /// Several commands about one key, in one go.
    async fn all(
        &self,
        lane: usize,
        key: &[u8],
        commands: Pipeline,
    ) -> Result<Vec<Value>, Failure> {
        match &self.lanes {
            Lanes::Cluster(lanes) => pick(lanes, lane)?.pipeline(key, commands).await,
            Lanes::Single(lanes) => pick(lanes, lane)?.ask(&commands).await,
        }
    }

    /// One command to each server that holds records, by its address; `None` is the only one.
    pub(crate) async fn everywhere(
        &self,
        command: &Cmd,
    ) -> Result<Vec<(Option<String>, Value)>, Failure> {
        match &self.lanes {
            Lanes::Cluster(lanes) => {
                let answers = pick(lanes, 0)?.everywhere(command.clone()).await?;
                let address = |(address, answer)| (Some(address), answer);
                Ok(answers.into_iter().map(address).collect())
            }
            Lanes::Single(_) => Ok(vec![(None, self.at(None, command.clone()).await?)]),
        }
    }

    /// One command to one of them.
    pub(crate) async fn at(&self, address: Option<&str>, command: Cmd) -> Result<Value, Failure> {
        match (&self.lanes, address) {
            (Lanes::Cluster(lanes), Some(address)) => pick(lanes, 0)?.at(address, command).await,
            _ => self.command(0, &[], command).await,
        }
    }

    /// Several at once.
    pub(crate) async fn all_at(
        &self,
        address: Option<&str>,
        commands: Pipeline,
    ) -> Result<Vec<Value>, Failure> {
        match (&self.lanes, address) {
            (Lanes::Cluster(lanes), Some(address)) => {
                pick(lanes, 0)?.all_at(address, commands).await
            }
            (Lanes::Single(lanes), _) => pick(lanes, 0)?.ask(&commands).await,
            (Lanes::Cluster(_), None) => Err(Failure::unsent(
                (redis::ErrorKind::Client, "no address").into(),
            )),
        }
    }

    async fn command(&self, lane: usize, key: &[u8], command: Cmd) -> Result<Value, Failure> {
        match &self.lanes {
            Lanes::Cluster(lanes) => pick(lanes, lane)?.command(key, command).await,
            Lanes::Single(lanes) => pick(lanes, lane)?.ask(&command).await,
        }
    }

    fn lane(&self) -> usize {
        let several = match &self.lanes {
            Lanes::Cluster(lanes) => lanes.len() > 1,
            Lanes::Single(lanes) => lanes.len() > 1,
        };
        if several {
            self.next.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        }
    }
}

/// A link is built with a lane at least.
fn pick<T>(lanes: &[T], lane: usize) -> Result<&T, Failure> {
    let lane = lane.checked_rem(lanes.len());
    lane.and_then(|lane| lanes.get(lane))
        .ok_or_else(|| Failure::unsent((redis::ErrorKind::Client, "no connection").into()))
}
