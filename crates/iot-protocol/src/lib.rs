//! The words on the wire between a device, DPS, IoT Hub and IoT Central: pure, no I/O, no clock.
