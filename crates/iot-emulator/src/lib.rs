//! DPS, IoT Hub and the IoT Central REST API on this machine, as strict as Azure.
