use std::time::Duration;

use crate::moment::Moment;
use crate::pass::Pass;
use crate::settings::Settings;

/// The probes of one half-open state.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    successes: u32,
    running: Vec<Probe>,
}

#[derive(Debug)]
struct Probe {
    pass: Pass,
    /// From here on nobody waits for its answer.
    until: Moment,
}

impl Trial {
    /// Takes a slot for `pass`, or says how long to wait at most until one is free.
    pub(crate) fn admit(
        &mut self,
        settings: &Settings,
        pass: Pass,
        now: Moment,
    ) -> Result<(), Duration> {
        self.running.retain(|probe| now < probe.until);
        let taken = self.running.len() as u64 + u64::from(self.successes);
        if taken >= u64::from(settings.probes.get()) {
            let first = self.running.iter().map(|probe| probe.until).min();
            return Err(first.unwrap_or(now).since(now));
        }
        self.running.push(Probe {
            pass,
            until: now.after(settings.probe_timeout),
        });
        Ok(())
    }

    /// Frees the slot of `pass`; false where it was given up before.
    pub(crate) fn settle(&mut self, pass: Pass) -> bool {
        let before = self.running.len();
        self.running.retain(|probe| probe.pass != pass);
        self.running.len() < before
    }

    /// One more success; true where it was the last that was asked for.
    pub(crate) fn succeed(&mut self, settings: &Settings) -> bool {
        self.successes += 1;
        self.successes >= settings.probes.get()
    }
}
