"""The seven leadership groups: who holds which for how long, what each may be asked, and where nobody is."""
