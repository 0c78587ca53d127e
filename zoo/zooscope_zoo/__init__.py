"""The zoo: the methods that zooscope trains, and the models that it ships."""
