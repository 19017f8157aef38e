//! `report`: every case, over its bare one.

use std::error::Error;

use crate::cases::CASES;
use crate::count::{Cost, cost};

/// Counts and prints all cases, as a table or as one JSON object.
pub(crate) fn report(json: bool) -> Result<(), Box<dyn Error>> {
    let costs = CASES
        .iter()
        .map(|(name, _)| Ok((*name, cost(name)?)))
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    if json {
        let members = costs.iter().map(|(name, cost)| {
            let over = over_bare(name, *cost, &costs);
            let row = serde_json::json!({
                "instructions": cost.instructions,
                "allocations": cost.allocations,
                "instructions_over_bare": over.instructions,
                "allocations_over_bare": over.allocations,
            });
            ((*name).to_owned(), row)
        });
        println!("{}", serde_json::Value::Object(members.collect()));
        return Ok(());
    }
    println!(
        "{:<34} {:>13} {:>8} {:>12} {:>8}",
        "case", "instructions", "+bare", "allocations", "+bare"
    );
    for (name, cost) in &costs {
        let over = over_bare(name, *cost, &costs);
        println!(
            "{name:<34} {:>13.1} {:>8.1} {:>12.2} {:>8.2}",
            cost.instructions, over.instructions, cost.allocations, over.allocations
        );
    }
    Ok(())
}

/// The cost on top of the bare case with the same request, pending where the case is.
fn over_bare(name: &str, cost: Cost, costs: &[(&str, Cost)]) -> Cost {
    let (what, request) = name.rsplit_once('/').unwrap_or((name, "R0"));
    let bare = if what.ends_with("-pending") {
        "bare-pending"
    } else {
        "bare"
    };
    let bare = format!("{bare}/{request}");
    let over = costs
        .iter()
        .find(|(known, _)| *known == bare)
        .map_or(cost, |(_, bare)| *bare);
    Cost {
        instructions: cost.instructions - over.instructions,
        allocations: cost.allocations - over.allocations,
    }
}
