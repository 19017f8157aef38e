use crate::circuit::Circuit;
use crate::state::Machine;
use crate::{Snapshot, State, Transitions};

/// A hand on a circuit, and an eye. Clones share it.
///
/// What is forced stays until [`reset`](Self::reset), or until something else is forced.
#[derive(Clone, Debug)]
pub struct CircuitHandle {
    circuit: Circuit,
}

impl CircuitHandle {
    pub(crate) const fn new(circuit: Circuit) -> Self {
        Self { circuit }
    }

    /// The name given at build; empty by default.
    #[must_use]
    pub fn name(&self) -> &str {
        self.circuit.core().name()
    }

    /// What the circuit does with calls now.
    #[must_use]
    pub fn state(&self) -> State {
        self.circuit.core().state()
    }

    /// All that the circuit knows now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.circuit.core().snapshot()
    }

    /// The changes of state from now on.
    pub fn watch(&self) -> Transitions {
        self.circuit.core().audience().subscribe()
    }

    /// Refuses every call, until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.force(State::ForcedOpen);
    }

    /// Lets every call through and goes on counting, until [`reset`](Self::reset).
    pub fn force_closed(&self) {
        self.force(State::ForcedClosed);
    }

    /// Lets every call through and counts nothing, until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.force(State::Disabled);
    }

    /// Closes the circuit with nothing on its record: no failures, no growth of its open time.
    ///
    /// Answers to calls from before count as late. Shadow mode stays as it is.
    pub fn reset(&self) {
        self.circuit.anchor().command(Machine::reset);
    }

    /// Refuses nothing from now on, and counts what it would have refused.
    pub fn shadow(&self) {
        self.circuit.core().set_shadow(true);
    }

    /// Ends [`shadow`](Self::shadow) mode: refusals are real from now on.
    pub fn enforce(&self) {
        self.circuit.core().set_shadow(false);
    }

    fn force(&self, state: State) {
        self.circuit
            .anchor()
            .command(|machine| machine.force(state));
    }
}
