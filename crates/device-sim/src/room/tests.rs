use super::*;
use crate::random::{Purpose, stream};

fn room(id: &str) -> Room {
    let mut random = stream(7, id, Purpose::Physics);
    Room::new(Parameters::draw(&mut random), Weather::new(7), 21.0, random)
}

#[test]
fn the_same_seed_gives_the_same_temperatures() {
    let readings = |mut room: Room| (0..50).map(|_| room.advance(5.0, 21.0)).collect::<Vec<_>>();
    assert_eq!(readings(room("a")), readings(room("a")));
    assert_ne!(readings(room("a")), readings(room("b")));
}

#[test]
fn energy_balances() {
    // Whatever the air gains or loses went through the output or the walls: no energy comes from nowhere.
    let mut room = room("balance");
    let (begin, mut through) = (room.air, 0.0);
    for i in 0..20_000 {
        let target = if i % 4_000 < 2_000 { 18.0 } else { 24.0 };
        if room.time >= room.opening.to {
            room.opening = room.next_opening();
        }
        room.control(target);
        through += 5.0 * (room.gain() - room.loss());
        room.step(5.0, target);
    }
    assert!(
        (room.air - begin - through).abs() < 1e-6,
        "{} against {through}",
        room.air - begin
    );
}

#[test]
fn a_room_that_is_left_alone_comes_to_the_weather() {
    let mut room = room("cold");
    room.parameters = Parameters {
        heating: 0.0,
        cooling: 0.0,
        ..room.parameters
    };
    room.air = 60.0;
    room.advance(10.0 * room.parameters.time_constant, 21.0);
    assert!(
        (room.air - room.outdoor()).abs() < 8.0,
        "{} inside, {} outside",
        room.air,
        room.outdoor()
    );
}

#[test]
fn a_new_target_moves_the_room_there_and_it_settles() {
    for (id, target) in (0..20).map(|i| (format!("room-{i}"), 16.0 + f64::from(i % 10))) {
        let mut room = room(&id);
        // It is nine in the morning, and people are in.
        assert!(room.is_occupied());
        let before = room.advance(5.0, 21.0);
        let soon = room.advance(30.0 * 60.0, target);
        if (target - before).abs() > 2.0 {
            assert!(
                (target - soon).abs() < (target - before).abs(),
                "{id}: {before} → {soon}, target {target}"
            );
        }
        room.parameters.openings_per_day = 0.0;
        room.advance(5.0 * HOUR, target);
        for _ in 0..360 {
            let reading = room.advance(5.0, target);
            assert!(
                (reading - target).abs() <= room.parameters.hysteresis + 0.7,
                "{id} settles at {target}, was {reading}"
            );
        }
    }
}

#[test]
fn nights_are_cooler_than_days() {
    let mut room = room("night");
    let target = 22.0;
    let mut at = |hour: f64| {
        let left = (hour * HOUR - room.time()).max(0.0);
        room.advance(left, target)
    };
    let (afternoon, night) = (at(14.0), at(29.0));
    assert!(
        night < afternoon - 1.0,
        "{afternoon} at two, {night} at five in the morning"
    );
}

#[test]
fn no_reading_jumps_as_no_room_would() {
    let mut room = room("steady");
    let mut last = room.advance(5.0, 21.0);
    for i in 0..50_000 {
        let reading = room.advance(5.0, if i % 1_000 < 500 { 18.0 } else { 24.0 });
        assert!((reading - last).abs() <= 0.4, "{last} → {reading}");
        last = reading;
    }
}

#[test]
fn the_output_does_not_chatter() {
    let mut room = room("calm");
    let (mut switches, mut last) = (0, room.output);
    let hours = 12.0;
    for i in 0..(hours * HOUR) as u32 {
        room.step(1.0, if i % 2 == 0 { 18.0 } else { 24.0 });
        switches += u32::from(room.output != last);
        last = room.output;
    }
    assert!(
        f64::from(switches) <= hours * HOUR / room.parameters.minimum_run + 1.0,
        "{switches} switches"
    );
}

#[test]
fn a_long_step_is_as_good_as_many_short_ones() {
    let (mut long, mut short) = (room("x"), room("x"));
    long.advance(HOUR, 21.0);
    for _ in 0..360 {
        short.step(STEP, 21.0);
    }
    assert!((long.air - short.air).abs() < 1e-9);
}
