"""Long recordings: find when each action begins and ends, and measure how well this is done."""
