"""What every package may use: records and their fields, pytrees, spaces. No economics, no learning."""
