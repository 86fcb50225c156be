"""Tables, migrations and the store; it hands out frozen values and never decides anything."""
